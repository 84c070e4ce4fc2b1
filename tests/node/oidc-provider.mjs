// An OpenID-certified provider that answers at the paths of Microsoft Entra ID, on loopback.
//
// node oidc-provider.mjs MODULES TENANT CLIENT SECRET [CERTIFICATE ALGORITHMS]
//
// MODULES is the folder that holds node_modules. With a CERTIFICATE (PEM), the client proves itself with its key
// (private_key_jwt), signed with one of the ALGORITHMS (PS256,RS256), in place of the SECRET. Prints its address, then the scope of each token it
// issues; ends when its standard input does.

import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, tenant, clientId, clientSecret, certificate, algorithms] = process.argv.slice(2);
const require = createRequire(`${modules}/package.json`);
const { default: Provider } = await import(pathToFileURL(require.resolve("oidc-provider")));

// The key of a certificate, as the provider keeps it.
function publicKey(path) {
  return { ...createPublicKey(readFileSync(path)).export({ format: "jwk" }), use: "sig" };
}

const SUFFIX = "/.default";

const server = createServer();
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: clientId,
      ...(certificate ? {} : { client_secret: clientSecret }),
      ...(certificate ? { jwks: { keys: [publicKey(certificate)] } } : {}),
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: certificate ? "private_key_jwt" : "client_secret_post",
    },
  ],
  ...(algorithms ? { enabledJWA: { clientAuthSigningAlgValues: algorithms.split(",") } } : {}),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      // Entra's `scope` names the resource: `https://graph.microsoft.com/.default`.
      defaultResource: (ctx) => (ctx.oidc.params.scope ?? "").replace(/\/\.default$/, "") || undefined,
      getResourceServerInfo: (ctx, resource) => ({
        scope: `${resource}${SUFFIX}`,
        audience: resource,
        accessTokenFormat: "jwt",
        accessTokenTTL: 3600,
        jwt: { sign: { alg: "RS256" } },
      }),
    },
  },
  extraTokenClaims: () => ({ tid: tenant, appid: clientId, roles: ["ThreatHunting.Read.All"] }),
  routes: { token: "/oauth2/v2.0/token", jwks: "/discovery/v2.0/keys" },
  ttl: { ClientCredentials: 3600 },
});
provider.on("grant.success", (ctx) => console.log(ctx.oidc.params.scope));
const answer = provider.callback();

// Entra serves each tenant below its id.
server.on("request", (request, response) => {
  const prefix = `/${tenant}/`;
  if (!request.url.startsWith(prefix)) {
    response.writeHead(404).end();
    return;
  }
  // The provider tells from it what its own address is: whom a proof must be for.
  request.originalUrl = request.url;
  request.url = request.url.slice(prefix.length - 1);
  answer(request, response);
});

console.log(issuer);
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
