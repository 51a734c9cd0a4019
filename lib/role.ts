/** The eight roles. */
export type Role =
  | "Dealer"
  | "Publisher"
  | "Pull"
  | "Push"
  | "Replier"
  | "Requester"
  | "Router"
  | "Subscriber";
