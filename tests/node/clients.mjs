// Microsoft's own JavaScript clients, unmodified, against production names: tokens by @azure/identity and
// @azure/msal-node, calls by the Microsoft Graph client.
//
// node clients.mjs MODULES TENANT CLIENT SECRET
//
// MODULES is the folder that holds node_modules. The proxy and the authority come from the environment (HTTPS_PROXY,
// NODE_EXTRA_CA_CERTS). Writes what the calls gave as JSON.

import { createRequire } from "node:module";

const [modules, tenant, clientId, clientSecret] = process.argv.slice(2);
const require = createRequire(`${modules}/package.json`);
const { ClientSecretCredential } = require("@azure/identity");
const { ConfidentialClientApplication } = require("@azure/msal-node");
const { Client, PageIterator } = require("@microsoft/microsoft-graph-client");
const { TokenCredentialAuthenticationProvider } =
  require("@microsoft/microsoft-graph-client/authProviders/azureTokenCredentials");
const { EnvHttpProxyAgent, setGlobalDispatcher } = require("undici");

// The Graph client calls `fetch`, which this version of Node.js does not send through a proxy by itself.
setGlobalDispatcher(new EnvHttpProxyAgent());
const found = {};

const credential = new ClientSecretCredential(tenant, clientId, clientSecret);
const scopes = ["https://graph.microsoft.com/.default"];
const authProvider = new TokenCredentialAuthenticationProvider(credential, { scopes });
const graph = Client.initWithMiddleware({ authProvider });

const query = { Query: "DeviceInfo | summarize Devices = dcount(DeviceId)" };
found.hunt = (await graph.api("/security/runHuntingQuery").post(query)).results;

// Two pages and a bit: the links between them are followed.
const ids = [];
const pages = new PageIterator(graph, await graph.api("/security/incidents").top(2).get(), (incident) => {
  ids.push(incident.id);
  return ids.length < 5;
});
await pages.iterate();
found.incidents = new Set(ids).size;
found.status = (await graph.api(`/security/incidents/${ids[0]}`).patch({ status: "inProgress" })).status;
found.missing = await graph.api("/security/incidents/999999").get().catch((error) => [error.statusCode, error.code]);

const app = new ConfidentialClientApplication({
  auth: { clientId, clientSecret, authority: `https://login.microsoftonline.com/${tenant}` },
  system: { proxyUrl: process.env.HTTPS_PROXY },
});
const mde = "https://api.securitycenter.microsoft.com";
const { accessToken } = await app.acquireTokenByClientCredential({ scopes: [`${mde}/.default`] });
const headers = { Authorization: `Bearer ${accessToken}` };
found.machines = (await (await fetch(`${mde}/api/machines?$top=1`, { headers })).json()).value.length;

const wrong = new ClientSecretCredential(tenant, clientId, "wrong");
found.refused = await wrong.getToken(scopes).catch((error) => error.message);
console.log(JSON.stringify(found));
