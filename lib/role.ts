/** The eight socket classes, by name. */
export type Role =
  | "Dealer"
  | "Publisher"
  | "Pull"
  | "Push"
  | "Replier"
  | "Requester"
  | "Router"
  | "Subscriber";
