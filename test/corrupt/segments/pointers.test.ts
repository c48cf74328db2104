// Pointers to other values, to the middle of one, to nothing, though every checksum is right: read as damage.
import { expect, it } from 'vitest'
import { readValuePointer, writeValuePointer } from '../../../src/format/segments/value-pointer.ts'
import type { WantedValue } from '../../../src/value-log/value-walk.ts'
import { prng } from '../../model/prng.ts'
import { requirePlace } from '../damage/judge.ts'
import { LiveTables } from '../damage/live-tables.ts'
import { segmentedSpecimen } from '../damage/specimen.ts'
import { DIRECTORY } from '../image.ts'

const SEED = Number(process.env['SETT_CORRUPT_SEED'] ?? Date.now() % 1_000_000)
const POINTERS = 10_000
const PATIENCE_MS = 300_000

it(
  `${POINTERS} pointers that lead astray never give another value (SETT_CORRUPT_SEED=${SEED})`,
  async () => {
    const specimen = await segmentedSpecimen(SEED)
    const live = new LiveTables(specimen)
    const content = specimen.history.content(live.version)
    const placed = specimen.keys.flatMap((key) => {
      const wanted = content.has(key) ? live.placeOf(key) : undefined
      return wanted === undefined ? [] : [{ wanted, value: content.get(key)! }]
    })
    expect(placed.length).toBeGreaterThan(500)
    const random = prng(SEED, 31)
    const pick = (): WantedValue => placed[random.below(placed.length)]!.wanted
    const near = (length: number): number => Math.max(0, length + random.below(33) - 16)
    const changes: readonly ((own: WantedValue) => Partial<WantedValue>)[] = [
      () => ({ ...pick() }),
      ({ offset }) => ({ offset: Math.max(0, offset + 8 * (random.below(401) - 200)) }),
      ({ valueLength }) => ({ valueLength: near(valueLength) }),
      ({ storedLength }) => ({ storedLength: near(storedLength / 8) * 8 }),
      () => ({ segment: pick().segment }),
      () => ({ offset: 8 * random.below(2 ** 18), segment: pick().segment }),
      ({ offset, storedLength }) => ({ offset: offset + storedLength }),
    ]
    let damage = 0
    for (let i = 0; i < POINTERS; i++) {
      const { wanted, value } = placed[random.below(placed.length)]!
      const { keyHash } = wanted
      const changed = { ...wanted, ...changes[i % changes.length]!(wanted), keyHash }
      const bytes = Buffer.alloc(24)
      writeValuePointer(bytes, 0, changed)
      const pointer = readValuePointer(bytes, 0)
      // What is no pointer at all is refused with the block it lies in.
      if (pointer === undefined) continue
      try {
        // Only the pointer as it was leads to something.
        expect(live.valueAt({ ...pointer, keyHash })).toBe(value)
        expect({ ...pointer, keyHash }).toEqual(wanted)
      } catch (error) {
        expect(requirePlace(error).file).toMatch(new RegExp(`^${DIRECTORY}/\\d+\\.vlog$`))
        damage += 1
      }
    }
    expect(damage).toBeGreaterThan(POINTERS / 2)
  },
  PATIENCE_MS,
)
