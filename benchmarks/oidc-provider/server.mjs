// node-oidc-provider as a peer: its answers live in Redis. Prints one line of JSON when it serves: what to begin with.
import { createHash, randomBytes } from 'node:crypto';
import Redis from 'ioredis';
import Provider from 'oidc-provider';

const [port, redisUrl, clients, chains] = [process.argv[2], process.argv[3], JSON.parse(process.argv[4]), Number(process.argv[5])];
const redis = new Redis(redisUrl);
const GRANTED = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken']);

class RedisAdapter {
  constructor(name) { this.name = name; }

  key(id) { return `${this.name}:${id}`; }

  async upsert(id, payload, expiresIn) {
    const writes = redis.multi().set(this.key(id), JSON.stringify(payload), 'EX', expiresIn);
    if (GRANTED.has(this.name) && payload.grantId) {
      writes.rpush(`grant:${payload.grantId}`, this.key(id)).expire(`grant:${payload.grantId}`, 86400);
    }
    await writes.exec();
  }

  async find(id) {
    const found = await redis.get(this.key(id));
    return found === null ? undefined : JSON.parse(found);
  }

  async consume(id) {
    const payload = { ...await this.find(id), consumed: Math.floor(Date.now() / 1000) };
    await redis.set(this.key(id), JSON.stringify(payload), 'KEEPTTL');
  }

  async destroy(id) { await redis.del(this.key(id)); }

  async revokeByGrantId(grantId) {
    const keys = await redis.lrange(`grant:${grantId}`, 0, -1);
    await redis.del(...keys, `grant:${grantId}`);
  }
}

const SCOPE = 'offline_access patient/*.rs';
const provider = new Provider(`http://127.0.0.1:${port}`, {
  adapter: RedisAdapter,
  clients,
  scopes: ['openid', 'offline_access', 'patient/*.rs', 'system/*.rs'],
  features: { introspection: { enabled: true }, clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
  enabledJWA: { clientAuthSigningAlgValues: ['RS384', 'ES384'] },
  rotateRefreshToken: true,
  issueRefreshToken: async () => true,
  ttl: { AccessToken: 3600, AuthorizationCode: 60, IdToken: 3600, ClientCredentials: 300, Grant: 86400, RefreshToken: 86400 },
  findAccount: async (_, sub) => ({ accountId: sub, claims: async () => ({ sub }) }),
});
const client = await provider.Client.find('app');
const grant = new provider.Grant({ accountId: 'alice', clientId: 'app' });
grant.addOIDCScope(SCOPE);
const about = { accountId: 'alice', client, grantId: await grant.save(), scope: SCOPE, gty: 'authorization_code' };
const token = await new provider.AccessToken(about).save();
const refreshTokens = await Promise.all(Array.from({ length: chains }, () => new provider.RefreshToken(about).save()));

// Codes as a browser would get them, for an app that proves itself with this verifier.
const verifier = randomBytes(48).toString('base64url');
const coded = {
  ...about,
  grantId: await withIdToken(),
  scope: `openid ${SCOPE}`,
  gty: undefined,
  redirectUri: 'https://conf.example/cb',
  codeChallenge: createHash('sha256').update(verifier).digest('base64url'),
  codeChallengeMethod: 'S256',
};

async function withIdToken() {
  const openid = new provider.Grant({ accountId: 'alice', clientId: 'app' });
  openid.addOIDCScope(`openid ${SCOPE}`);
  return openid.save();
}

provider.use(async (ctx, next) => {
  const asked = /^\/mint\/(\d+)$/.exec(ctx.path);
  if (!asked) return next();
  const codes = Array.from({ length: Number(asked[1]) }, () => new provider.AuthorizationCode(coded).save());
  ctx.body = (await Promise.all(codes)).map((code) => [code, verifier]);
  return undefined;
});
provider.listen(Number(port), '127.0.0.1', () => console.log(JSON.stringify({ token, refreshTokens })));
