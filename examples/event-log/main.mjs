// An event log: events in the order they happened, the newest first when read, and totals that always agree with
// them. Run it again: it goes on where it stopped.
import { open } from 'sett'

const db = await open('./event-log-data')

// A sublevel is a part of the database with keys and encodings of its own.
const events = db.sublevel('events', { valueEncoding: 'json' })
const totals = db.sublevel('totals', { valueEncoding: 'json' })

// Keys are ordered as bytes: '10' comes before '9', '000010' comes after '000009'.
const keyOf = (sequence) => String(sequence).padStart(12, '0')

let next = 1
for await (const key of events.keys({ reverse: true, limit: 1 })) next = Number(key) + 1

/** Stores event and total in one commit: after a crash both are there, or neither. */
async function append(event) {
  const key = keyOf(next++)
  const total = ((await totals.get(event.type)) ?? 0) + 1
  await db.batch([
    { type: 'put', sublevel: events, key, value: event },
    { type: 'put', sublevel: totals, key: event.type, value: total },
  ])
}

for (let i = 1; i <= 12; i++) {
  await append({ type: i % 4 === 0 ? 'logout' : 'login', user: `user ${i % 3}` })
}

// What a snapshot shows stays as it is while writing goes on.
const snapshot = db.snapshot()
const before = next
await append({ type: 'login', user: 'too late for the snapshot' })

console.log('the newest three:')
for await (const [key, { type, user }] of events.iterator({ reverse: true, limit: 3, snapshot })) {
  console.log(`  ${key} ${type} ${user}`)
}

console.log('events 5 to 8, backwards:')
const range = { gte: keyOf(5), lte: keyOf(8), reverse: true }
for await (const [key, { type }] of events.iterator(range)) console.log(`  ${key} ${type}`)

const counted = await events.keys({ snapshot }).all()
const logins = await totals.get('login', { snapshot })
const logouts = await totals.get('logout', { snapshot })
console.log(`${counted.length} events: ${logins} logins, ${logouts} logouts`)
if (counted.length !== before - 1 || logins + logouts !== counted.length) {
  throw new Error('a total differs from what it counts')
}

await snapshot.close()
await db.close()
