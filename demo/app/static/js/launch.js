// The registered launch address: the EHR brings the browser here with iss and launch.

import { Problem, show, startAgain } from "./problem.js";
import { begin } from "./smart.js";

const parameters = new URLSearchParams(window.location.search);
const launch = parameters.get("launch");

try {
  if (!launch) throw new Problem("The launch handle is missing", startAgain(), "This address is for the EHR, which adds iss and launch to it.");
  await begin(parameters.get("iss") ?? "", launch);
} catch (error) {
  show(error);
}
