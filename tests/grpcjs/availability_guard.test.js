// Calls as an existing client makes them: @grpc/grpc-js, and the messages by @grpc/proto-loader with
// the options that it uses. Environment: what scripts/system.py env prints, and GRPC_AUTH_TOKEN.
'use strict'

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { randomUUID } = require('node:crypto')
const path = require('node:path')
const readline = require('node:readline')
const { after, test } = require('node:test')
const grpc = require('@grpc/grpc-js')
const protoLoader = require('@grpc/proto-loader')

const PROTO = process.env.AG_PROTO
const ADDRESS = process.env.AG_GRPC_ADDRESS
const TOKEN = process.env.GRPC_AUTH_TOKEN

const load = file => grpc.loadPackageDefinition(protoLoader.loadSync(path.join(PROTO, file), {
  keepCase: false, longs: String, enums: String, defaults: true, oneofs: true
}))
const guard = load('availabilityguard/v1/availability_guard.proto').availabilityguard.v1
const canonical = load('grpc/health/v1/health.proto').grpc.health.v1

const open = []
const connect = (Service, options = {}) => {
  const client = new Service(ADDRESS, grpc.credentials.createInsecure(),
    { 'grpc.use_local_subchannel_pool': 1, ...options })
  open.push(client)
  return client
}
after(() => open.forEach(client => client.close()))

const bearer = token => {
  const metadata = new grpc.Metadata()
  if (token !== null) metadata.set('authorization', `Bearer ${token}`)
  return metadata
}

// A promise of the answer.
const call = (client, method, message, { token = TOKEN, seconds = 20, metadata = bearer(token) } = {}) =>
  new Promise((resolve, reject) => {
    client[method](message, metadata, { deadline: Date.now() + seconds * 1000 },
      (error, answer) => error ? reject(error) : resolve(answer))
  })

const fails = async (promise, code) => {
  const error = await promise.then(answer => assert.fail(JSON.stringify(answer)), found => found)
  assert.equal(grpc.status[error.code], code, error.message)
  return error
}

const client = connect(guard.AvailabilityGuard)
const tenantId = randomUUID()
const stay = (changes = {}) => ({
  tenantId, roomTypeId: randomUUID(), roomId: randomUUID(), stayStart: '2090-03-01',
  stayEnd: '2090-03-04T00:00:00Z', ...changes
})
const lockRoom = (changes, options) => call(client, 'LockRoom', stay(changes), options)

const byHttp = async lockId => {
  const answer = await fetch(`${process.env.AG_URL}/v1/locks/${lockId}?tenantId=${tenantId}`)
  return answer.status === 200 ? (await answer.json()).lock : null
}

test('a lock, a conflict, and both by HTTP', async () => {
  const roomId = randomUUID()
  const reservationId = randomUUID()
  const answer = await lockRoom({
    roomId, reservationId, idempotencyKey: reservationId, ttlSeconds: 600, reason: 'BOOKING',
    correlationId: 'c-1', propertyId: randomUUID(), metadata: { source: 'web', note: 'späte Anreise' }
  })
  assert.equal(answer.status, 'STATUS_LOCKED')
  assert.equal(answer.conflict, null)
  assert.equal(answer.lock.id, reservationId)
  assert.deepEqual(Object.keys(answer.lock).sort(), ['createdAt', 'expiresAt', 'id', 'reservationId',
    'roomId', 'roomTypeId', 'status', 'stayEnd', 'stayStart', 'tenantId', 'updatedAt'])
  assert.equal(answer.lock.status, 'ACTIVE')
  assert.equal(answer.lock.stayEnd, '2090-03-04T00:00:00.000Z')
  const seen = await byHttp(answer.lock.id)
  assert.equal(seen.expires_at, answer.lock.expiresAt)
  assert.deepEqual(seen.metadata, { source: 'web', note: 'späte Anreise' })
  const conflict = await lockRoom({ roomId })
  assert.equal(conflict.status, 'STATUS_CONFLICT')
  assert.equal(conflict.lock, null)
  assert.deepEqual(conflict.conflict, answer.lock)
})

test('a lock of a room type has no room', async () => {
  const { lock } = await lockRoom({ roomId: undefined })
  assert.equal(lock.roomId, '')
  assert.equal(lock.reservationId, '')
})

test('releases', async () => {
  const { lock } = await lockRoom()
  const released = await call(client, 'ReleaseRoom', { tenantId, lockId: lock.id, reason: 'CANCELLED' })
  assert.equal(released.released, true)
  assert.equal(released.lock.status, 'RELEASED')
  assert.equal((await byHttp(lock.id)).release_reason, 'CANCELLED')
  assert.deepEqual(await call(client, 'ReleaseRoom', { tenantId, lockId: lock.id }), released)
  assert.deepEqual(await call(client, 'ReleaseRoom', { tenantId, lockId: randomUUID() }),
    { released: false, lock: null })
})

test('bulk release', async () => {
  const locks = await Promise.all([1, 2, 3].map(() => lockRoom()))
  const lockIds = [...locks.map(answer => answer.lock.id), randomUUID()]
  assert.deepEqual(await call(client, 'BulkRelease', { tenantId, lockIds }), { released: 3 })
  assert.deepEqual(await call(client, 'BulkRelease', { tenantId, lockIds }), { released: 0 })
})

test('health, without a token', async () => {
  for (const health of [connect(guard.Health), connect(canonical.Health)]) {
    for (const service of ['', 'availabilityguard.v1.AvailabilityGuard']) {
      assert.deepEqual(await call(health, 'Check', { service }, { token: null }), { status: 'SERVING' })
    }
    await fails(call(health, 'Check', { service: 'x' }, { token: null }), 'NOT_FOUND')
  }
})

test('health cannot be watched', async () => {
  const watch = connect(canonical.Health).Watch({}, { deadline: Date.now() + 20000 })
  const error = await new Promise((resolve, reject) => watch.on('error', resolve).on('data', reject))
  assert.equal(grpc.status[error.code], 'UNIMPLEMENTED')
})

test('wrong fields are named', async () => {
  const error = await fails(lockRoom({ tenantId: '7', stayEnd: '2090-03-01', reason: 'r'.repeat(101) }),
    'INVALID_ARGUMENT')
  assert.equal(error.details,
    'tenant_id: must be a uuid; stay_end: must be after stay_start; reason: is too long')
  await fails(call(client, 'ReleaseRoom', { tenantId }), 'INVALID_ARGUMENT')
  await fails(call(client, 'BulkRelease', { tenantId, lockIds: [] }), 'INVALID_ARGUMENT')
  await fails(lockRoom({ stayStart: '2020-01-01', stayEnd: '2020-01-02' }), 'INVALID_ARGUMENT')
})

test('only with a token', async () => {
  for (const token of [null, '', 'wrong', `${TOKEN}x`]) {
    await fails(lockRoom({}, { token }), 'UNAUTHENTICATED')
    await fails(call(client, 'ReleaseRoom', { tenantId }, { token }), 'UNAUTHENTICATED')
    await fails(call(client, 'BulkRelease', { tenantId }, { token }), 'UNAUTHENTICATED')
  }
})

test('metadata', async () => {
  const metadata = bearer(TOKEN)
  metadata.set('x-request-id', 'request-1')
  metadata.set('x-correlation-id', 'correlation-1')
  const error = await fails(lockRoom({ correlationId: 'another' }, { metadata }), 'INVALID_ARGUMENT')
  assert.deepEqual(error.metadata.get('x-request-id'), ['request-1'])
  const { lock } = await lockRoom({}, { metadata })
  assert.equal((await byHttp(lock.id)).correlation_id, 'correlation-1')
})

test('unknown methods, compressed and large messages', async () => {
  const unknown = connect(grpc.makeGenericClientConstructor({
    Nothing: { ...guard.AvailabilityGuard.service.LockRoom, path: '/availabilityguard.v1.AvailabilityGuard/Nothing' }
  }, 'Unknown'))
  await fails(call(unknown, 'Nothing', stay()), 'UNIMPLEMENTED')
  const gzip = connect(guard.AvailabilityGuard,
    { 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip })
  await fails(call(gzip, 'LockRoom', stay({ reason: 'r'.repeat(90) })), 'UNIMPLEMENTED')
  await fails(lockRoom({ metadata: { large: 'x'.repeat(10_000_000) } }), 'RESOURCE_EXHAUSTED')
  assert.equal((await lockRoom()).status, 'STATUS_LOCKED')
})

// Calls `action` while nobody can write into the table of locks.
const whileTableIsLocked = async action => {
  const psql = spawn('psql', ['-qAtX', process.env.AG_OWNER_DSN], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = readline.createInterface({ input: psql.stdout })
  psql.stdin.write("BEGIN; LOCK TABLE inventory_locks_shadow IN ACCESS EXCLUSIVE MODE; SELECT 'locked';\n")
  await new Promise(resolve => lines.once('line', resolve))
  try {
    return await action()
  } finally {
    psql.stdin.end('ROLLBACK;\n')
    await new Promise(resolve => psql.once('close', resolve))
  }
}

test('deadlines', async () => {
  const idempotencyKey = randomUUID()
  await whileTableIsLocked(() => fails(lockRoom({ idempotencyKey }, { seconds: 0.3 }), 'DEADLINE_EXCEEDED'))
  // The same key finds out what became of it.
  assert.equal((await lockRoom({ idempotencyKey })).lock.id, idempotencyKey)
  await fails(lockRoom({}, { seconds: -1 }), 'DEADLINE_EXCEEDED')
})

test('32 calls in flight on one connection: one room, and many', async () => {
  const roomId = randomUUID()
  const answers = await Promise.all(Array.from({ length: 32 }, () => lockRoom({ roomId })))
  assert.equal(answers.filter(answer => answer.status === 'STATUS_LOCKED').length, 1)
  const many = await Promise.all(Array.from({ length: 32 }, () => lockRoom()))
  assert.ok(many.every(answer => answer.status === 'STATUS_LOCKED'))
})

test('thousands of calls over one connection', async () => {
  const channel = client.getChannel()
  assert.equal(channel.getConnectivityState(false), grpc.connectivityState.READY)
  let moved = false
  channel.watchConnectivityState(grpc.connectivityState.READY, Infinity, () => { moved = true })
  const work = async () => {
    for (let i = 0; i < 100; i++) assert.equal((await lockRoom()).status, 'STATUS_LOCKED')
  }
  await Promise.all(Array.from({ length: 32 }, work))
  assert.equal(moved, false, 'the connection was not the same all the time')
})
