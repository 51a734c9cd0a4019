// What Node's runner loads as its second reporter: Node 20 has not imported tsx yet when it does, and cannot read report.ts.
import "tsx";

const { report } = await import("./report.ts");

// biome-ignore lint/style/noDefaultExport: the runner asks a reporter for its default export
export default report;
