// A public app on npm fhirclient, as its documentation for Node shows it: authorize() at the launch, ready() after it.
import smart from "fhirclient";
import { serve } from "./site.mjs";

serve((registration) => ({
  "/launch": async (request, response) => {
    await smart(request, response).authorize({
      clientId: registration.client_id,
      redirectUri: "/callback",
      scope: registration.scope,
      pkceMode: "required",
    });
  },
  "/callback": async (request, response) => {
    const client = await smart(request, response).ready();
    const { access_token: first, refresh_token: firstRefresh } = client.state.tokenResponse;
    const patient = await client.patient.read();
    const user = await client.user.read();
    const weights = await client.patient.request("Observation?code=29463-7", { flat: true });
    await client.refresh();
    const { access_token: second, refresh_token: secondRefresh } = client.state.tokenResponse;
    const again = await client.patient.read();
    return {
      patient: client.getPatientId(),
      encounter: client.getEncounterId(),
      fhirUser: client.getFhirUser(),
      userType: client.getUserType(),
      needPatientBanner: client.state.tokenResponse.need_patient_banner,
      scope: client.state.tokenResponse.scope,
      read: `${patient.resourceType}/${patient.id}`,
      readUser: `${user.resourceType}/${user.id}`,
      weightsOf: [...new Set(weights.map((found) => found.subject.reference))],
      readAfterRefresh: `${again.resourceType}/${again.id}`,
      newAccessToken: second !== first,
      newRefreshToken: secondRefresh !== firstRefresh,
    };
  },
}));
