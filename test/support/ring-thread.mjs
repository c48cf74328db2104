// One end of a byte ring on a thread of its own. workerData: { ring, role, count, seed, longest, pauseEvery }.
import { pathToFileURL } from 'node:url'
import { parentPort, workerData } from 'node:worker_threads'

const folder = process.env.SETT_DIST
const dist = folder ? pathToFileURL(`${folder}/`) : new URL('../../dist/', import.meta.url)
const { RingReader, RingWriter } = await import(new URL('src/memory/byte-ring.js', dist))
const { systemClock } = await import(new URL('src/base/clock.js', dist))

const { ring, role, count, seed, longest } = workerData

/** The same numbers on both sides. */
function* messages() {
  let state = seed
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const message = new Uint8Array(state % (longest + 1))
    message.fill(state >>> 24)
    yield message
  }
}

if (role === 'write') {
  const writer = new RingWriter(ring)
  let error
  try {
    for (const message of messages()) writer.writeBlocking(message, { timeoutMs: 20_000 })
    writer.publish()
  } catch (caught) {
    error = caught.code
  }
  parentPort.postMessage({ error })
} else {
  const reader = new RingReader(ring)
  const expected = messages()
  // A pending waitAsync alone does not keep a thread alive.
  const hold = setInterval(() => undefined, 1000)
  let good = 0
  let seen = 0
  while (seen < count) {
    reader.drain((message) => {
      const { value } = expected.next()
      seen++
      if (Buffer.compare(message, value) === 0) good++
    })
    if (seen < count) await reader.whenPublished(systemClock)
  }
  clearInterval(hold)
  parentPort.postMessage({ good })
}
