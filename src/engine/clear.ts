// clear(): point deletes of every key a snapshot shows in a range, in one atomic commit. Main thread.
import type { Clock } from '../base/clock.ts'
import { NO_OPTIONS } from './commit/no-options.ts'
import type { Data, Engine, RangeOptions, WriteOperation } from './types.ts'

/** Keys are gathered in pages; after this many the event loop gets a turn. */
const PAGE = 1000

export async function clearRange(
  engine: Engine,
  clock: Clock,
  options: RangeOptions & { readonly limit: number },
): Promise<void> {
  if (options.limit === 0) return
  const deletes: WriteOperation[] = []
  const pin = engine.pin()
  try {
    const reader = engine.range({ ...options, keys: true, values: false, keyForm: 'buffer' })
    const limit = options.limit < 0 ? Number.POSITIVE_INFINITY : options.limit
    while (deletes.length < limit) {
      const page = reader.next(Math.min(PAGE, limit - deletes.length))
      if (page.length === 0) break
      for (const [key] of page) deletes.push({ type: 'del', key: key as Data })
      if (page.length === PAGE) await new Promise<void>((resolve) => clock.nextTurn(resolve))
    }
  } finally {
    pin.release()
  }
  await engine.batch(deletes, NO_OPTIONS)
}
