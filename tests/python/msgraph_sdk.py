"""msal and the Microsoft Graph SDK, unmodified, against production names.

Arguments: tenant id, client id, client secret. The proxy and the authority come from the environment. Prints what
each call gave, and fails at the first that did not.
"""

import asyncio
import sys

import msal
from azure.identity.aio import ClientSecretCredential
from msgraph import GraphServiceClient
from msgraph.generated.identity_protection.risky_users.confirm_compromised.confirm_compromised_post_request_body import (
    ConfirmCompromisedPostRequestBody,
)
from msgraph.generated.models.security.incident import Incident
from msgraph.generated.models.security.incident_status import IncidentStatus
from msgraph.generated.security.microsoft_graph_security_run_hunting_query.run_hunting_query_post_request_body import (
    RunHuntingQueryPostRequestBody,
)

tenant, client, secret = sys.argv[1:]
authority = f"https://login.microsoftonline.com/{tenant}"
app = msal.ConfidentialClientApplication(client, authority=authority, client_credential=secret)
token = app.acquire_token_for_client(["https://api.securitycenter.microsoft.com/.default"])
print("msal:", token["token_type"])


async def main():
    credential = ClientSecretCredential(tenant, client, secret)
    graph = GraphServiceClient(credential, ["https://graph.microsoft.com/.default"])
    query = "DeviceInfo | summarize Devices = dcount(DeviceId)"
    answer = await graph.security.microsoft_graph_security_run_hunting_query.post(RunHuntingQueryPostRequestBody(query=query))
    print("hunting:", [row.additional_data for row in answer.results], [(one.name, one.type) for one in answer.schema])
    incidents = (await graph.security.incidents.get()).value
    alerts = (await graph.security.alerts_v2.get()).value
    evidence = sorted({type(one).__name__ for alert in alerts for one in alert.evidence or []})
    print("read:", len(incidents), "incidents,", len(alerts), "alerts with", ", ".join(evidence))
    change = Incident(status=IncidentStatus.InProgress)
    changed = await graph.security.incidents.by_incident_id(incidents[0].id).patch(change)
    print("changed:", changed.id, changed.status)
    user = graph.users.by_user_id("maja.berg@contoso.example")
    known = await user.get()
    revoked = await user.revoke_sign_in_sessions.post()
    await graph.identity_protection.risky_users.confirm_compromised.post(ConfirmCompromisedPostRequestBody(user_ids=[known.id]))
    print("user:", known.display_name, "revoked:", revoked.value, "risk confirmed")
    await credential.close()


asyncio.run(main())
