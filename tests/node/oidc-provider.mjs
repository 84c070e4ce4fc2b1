// An OpenID-certified provider that answers at the paths of Microsoft Entra ID, on loopback.
//
// node oidc-provider.mjs MODULES TENANT CLIENT SECRET [CERTIFICATE ALGORITHMS]
//
// MODULES is the folder that holds node_modules. With a CERTIFICATE (PEM), the client proves itself with its key
// (private_key_jwt), signed with one of the ALGORITHMS (PS256,RS256), in place of the SECRET. With an empty SECRET and no
// CERTIFICATE it is one that people sign in to: device code, and authorization code with PKCE; a refresh token serves
// once. Whoever opens the page is let in, as whom `login_hint` names. Prints its address, then the scope that each token was asked for with, or the
// kind of grant if with none; ends when its standard input does.

import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, tenant, clientId, clientSecret, certificate, algorithms] = process.argv.slice(2);
const require = createRequire(`${modules}/package.json`);
const { default: Provider, interactionPolicy } = await import(pathToFileURL(require.resolve("oidc-provider")));

// The key of a certificate, as the provider keeps it.
function publicKey(path) {
  return { ...createPublicKey(readFileSync(path)).export({ format: "jwk" }), use: "sig" };
}

const SUFFIX = "/.default";
const isPublic = !certificate && clientSecret === "";

// What a client is that keeps no secret.
const forPeople = {
  grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
  redirect_uris: ["http://localhost", "http://127.0.0.1/sign-in/back"],
  response_types: ["code"],
  application_type: "native",
  token_endpoint_auth_method: "none",
};
// What people may do on huntbook's page.
const ROLES = { "maja.berg": ["Huntbook.Read"], lead: ["Huntbook.Read", "Huntbook.Act"], duty: ["Huntbook.Act"] };
const policy = interactionPolicy.base();
policy.add(new interactionPolicy.Prompt({ name: "select_account", requestable: true }), 0);

const server = createServer();
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: clientId,
      ...(certificate || isPublic ? {} : { client_secret: clientSecret }),
      ...(certificate ? { jwks: { keys: [publicKey(certificate)] } } : {}),
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: certificate ? "private_key_jwt" : "client_secret_post",
      ...(isPublic ? forPeople : {}),
    },
  ],
  ...(algorithms ? { enabledJWA: { clientAuthSigningAlgValues: algorithms.split(",") } } : {}),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: isPublic },
    resourceIndicators: {
      enabled: true,
      // Entra's `scope` names the resource: `https://graph.microsoft.com/.default`.
      defaultResource: (ctx) => /(\S+)\/\.default/.exec(ctx.oidc.params.scope ?? "")?.[1],
      getResourceServerInfo: (ctx, resource) => ({
        scope: `${resource}${SUFFIX}`,
        audience: resource,
        accessTokenFormat: "jwt",
        accessTokenTTL: 3600,
        jwt: { sign: { alg: "RS256" } },
      }),
    },
  },
  extraTokenClaims: () => ({
    tid: tenant,
    appid: clientId,
    ...(isPublic ? { scp: "ThreatHunting.Read.All" } : { roles: ["ThreatHunting.Read.All"] }),
  }),
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: () => true,
  claims: { openid: ["sub", "oid", "roles"], profile: ["preferred_username"] },
  // As Entra does: what is known of people is in the identity token.
  conformIdTokenClaims: false,
  findAccount: (ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: `sub-${id}`, oid: `oid-${id}`, preferred_username: `${id}@contoso.example`, roles: ROLES[id] }),
  }),
  interactions: { policy, url: (ctx, interaction) => `/${tenant}/interaction/${interaction.uid}` },
  routes: {
    token: "/oauth2/v2.0/token",
    jwks: "/discovery/v2.0/keys",
    authorization: "/oauth2/v2.0/authorize",
    device_authorization: "/oauth2/v2.0/devicecode",
    code_verification: "/device",
  },
  ttl: { ClientCredentials: 3600 },
});

// A person who says yes to everything.
async function agree(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  const result = { [prompt.name]: {} };
  if (prompt.name === "login") {
    result.login.accountId = params.login_hint ?? "maja.berg";
  } else if (prompt.name === "consent") {
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    for (const [resource, scopes] of Object.entries(prompt.details.missingResourceScopes ?? {})) {
      grant.addResourceScope(resource, scopes.join(" "));
    }
    result.consent.grantId = await grant.save();
  }
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}
provider.on("grant.success", (ctx) => console.log(ctx.oidc.params.scope ?? ctx.oidc.params.grant_type));
const answer = provider.callback();

// Entra serves each tenant below its id.
server.on("request", (request, response) => {
  const prefix = `/${tenant}/`;
  // What a client reads first is below the issuer.
  if (request.url.startsWith("/.well-known/")) {
    request.url = prefix + request.url.slice(1);
  }
  if (!request.url.startsWith(prefix)) {
    response.writeHead(404).end();
    return;
  }
  // It keeps `offline_access` only for people who were asked.
  request.url = request.url.replace("prompt=select_account", "prompt=select_account+consent");
  // The provider tells from it what its own address is: whom a proof must be for.
  request.originalUrl = request.url;
  request.url = request.url.slice(prefix.length - 1);
  if (request.url.startsWith("/interaction/")) {
    agree(request, response).catch((error) => response.writeHead(500).end(String(error.error_description ?? error)));
    return;
  }
  answer(request, response);
});

console.log(issuer);
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
