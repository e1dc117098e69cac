// A real authorization server for tests/grants: it rotates refresh tokens, and one that comes a second time ends the grant.
//
// Everybody who asks is the same person, and consents to everything. The first line it writes is where it listens. It ends
// when its standard input does.
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const redirect = 'http://localhost:8765/callback';
const server = createServer((request, response) => handle(request, response));
let handle = (_, response) => response.writeHead(503).end();

server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'app',
      client_secret: 'canary-app-secret',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: [redirect],
      application_type: 'native',
      token_endpoint_auth_method: 'client_secret_basic',
    }],
    scopes: ['openid', 'offline_access'],
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: async () => true,
    ttl: { AccessToken: 1800, RefreshToken: 86400 },
    features: { devInteractions: { enabled: false }, revocation: { enabled: true }, introspection: { enabled: true } },
    findAccount: async (_, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  });
  const answer = provider.callback();
  handle = async (request, response) => {
    if (!request.url.startsWith('/interaction/')) return answer(request, response);
    // The person logs in and consents, without being asked.
    const { prompt, params, grantId, session } = await provider.interactionDetails(request, response);
    if (prompt.name === 'login') {
      return provider.interactionFinished(request, response, { login: { accountId: 'owner' } }, { mergeWithLastSubmission: false });
    }
    const grant = grantId ? await provider.Grant.find(grantId) : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
  };
  console.log(issuer);
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
