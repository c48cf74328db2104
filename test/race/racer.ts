// A process that opens a database when told to, does what it is asked, and reports how that went. It lives until its
// parent goes away, or kills it.
import { type Database, open } from 'sett'
import type { RacerOrder, RacerReply } from './messages.ts'

const SMALL = { workers: 0, memtableSize: 65_536, memoryBudget: 8 * 1024 * 1024 }

let database: Database | undefined

function opened(): Database {
  if (database === undefined) throw new Error('nothing is open')
  return database
}

async function fill(entries: number): Promise<void> {
  for (let i = 0; i < entries; i++) await opened().put(`fill ${i}`, 'x'.repeat(200))
  await opened().compactRange()
  for (let i = 0; i < entries; i += 2) await opened().del(`fill ${i}`)
  await opened().flush()
}

async function obey(order: RacerOrder): Promise<readonly string[] | undefined> {
  if (order.kind === 'open') {
    const { directory, readOnly = false, lock = 'auto', at = 0 } = order
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, at - Date.now())))
    database = await open(directory, { ...SMALL, readOnly, lock })
  } else if (order.kind === 'put') await opened().put(order.key, String(process.pid))
  else if (order.kind === 'fill') await fill(order.entries)
  else if (order.kind === 'keys') return await opened().keys().all()
  else {
    await opened().close()
    database = undefined
  }
  return undefined
}

process.on('message', (order: RacerOrder) => {
  const answer = (reply: RacerReply): void => void process.send?.(reply)
  obey(order).then(
    (keys) => answer(keys === undefined ? { done: true } : { done: true, keys }),
    (error: Error & { code?: string }) => {
      // An open that fails says why in its cause.
      const { code, message } = (error.cause ?? error) as { code?: string; message: string }
      answer({ code: code ?? 'none', message })
    },
  )
})
process.once('disconnect', () => process.exit())
process.send?.('ready')
