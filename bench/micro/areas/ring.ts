// The ring between threads.
import { createRing, RingReader, RingWriter } from '../../../src/memory/byte-ring.ts'
import { words } from '../../data/random.ts'
import type { Area, Case } from '../case.ts'

const MESSAGES = 256
const CAPACITY = 2 ** 20

/** Both ends on this thread: what the ring itself costs, without waiting. */
function passed(length: number): Case {
  return {
    name: `write, publish and drain ${length} B messages`,
    prepare() {
      const buffer = createRing(CAPACITY)
      const writer = new RingWriter(buffer)
      const reader = new RingReader(buffer)
      const next = words(length)
      const messages = Array.from({ length: MESSAGES }, () =>
        Buffer.from(Array.from({ length }, () => next() & 0xff)),
      )
      const ends: number[] = []
      return {
        operations: MESSAGES,
        ours: {
          run() {
            ends.length = 0
            for (const message of messages) {
              if (!writer.tryWrite(message)) throw new Error('the ring is full')
            }
            writer.publish()
            reader.drain((message) => ends.push(message.length, message[length - 1]!))
          },
          answer: () => [...ends],
        },
        expected: messages.flatMap((message) => [length, message[length - 1]!]),
      }
    },
  }
}

export const ringArea: Area = { name: 'ring', cases: [passed(64), passed(1_024)] }
