// Starts the scenarios and holds them against their bounds.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { FILL_BUDGET_MIB, type Holdings, show } from './probe.ts'

/** Resident memory that 200 closed databases may leave behind, heaps kept for reuse included. */
export const LEFT_MIB_MAX = 64
/** More of it after a second round of the same, or after 1,000 cycles: noise of the allocator only. */
export const GROWTH_MIB_MAX = 16
/** The same for live JavaScript objects. */
export const HEAP_MIB_MAX = 2
/** An open, nearly empty database over the process's base. */
export const OPEN_MIB_MAX = 32
/** Resident memory in a fill, over the process's base and the budget: scratch of jobs, threads, garbage. */
export const BESIDE_BUDGET_MIB_MAX = 64
/** An idle database lets its process end within this time after the last promise: before threads that linger go. */
export const IDLE_EXIT_MS_MAX = 4_500

export interface Finding {
  readonly what: string
  readonly measured: string
  readonly bound: string
  readonly holds: boolean
}

interface Outcome {
  readonly result: Record<string, Holdings> & {
    readonly files?: number
    readonly peakMiB?: number
  }
  readonly exitMs: number
}

async function run(program: URL, scenario: string, amount: number): Promise<Outcome> {
  // A young generation that does not resize itself: its growth would look like a leak.
  const flags = ['--expose-gc', '--max-semi-space-size=2']
  const args = [...flags, fileURLToPath(program), scenario, String(amount)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  let reportedAt = Number.NaN
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    reportedAt = performance.now()
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), 300_000)
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  clearTimeout(timer)
  const exitMs = performance.now() - reportedAt
  if (code !== 0) throw new Error(`scenario ${scenario} ended with ${code ?? signal}`)
  return { result: JSON.parse(text), exitMs }
}

export async function measureMany(program: URL, databases: number): Promise<Finding[]> {
  const { result } = await run(program, 'many', databases)
  const { before, open, afterOne, afterTwo } = result as Record<string, Holdings> & {
    before: Holdings
    open: Holdings
    afterOne: Holdings
    afterTwo: Holdings
  }
  const perDatabase = (open.residentMiB - before.residentMiB) / databases
  const left = afterOne.residentMiB - before.residentMiB
  const growth = afterTwo.residentMiB - afterOne.residentMiB
  return [
    finding('base', show(before), '', true),
    finding(`${databases} open`, show(open), '', true),
    finding(
      'per open database',
      `${perDatabase.toFixed(2)} MiB`,
      `< ${OPEN_MIB_MAX} MiB`,
      perDatabase < OPEN_MIB_MAX,
    ),
    finding('closed', show(afterOne), '', true),
    finding('left behind', `${left} MiB`, `<= ${LEFT_MIB_MAX} MiB`, left <= LEFT_MIB_MAX),
    finding('closed again', show(afterTwo), '', true),
    finding(
      'more than after the first',
      `${growth} MiB`,
      `<= ${GROWTH_MIB_MAX} MiB`,
      growth <= GROWTH_MIB_MAX,
    ),
    sameDescriptors(before, afterOne),
    sameDescriptors(before, afterTwo),
    sameHandles(before, afterTwo),
  ]
}

export async function measureCycles(program: URL, cycles: number): Promise<Finding[]> {
  const { result } = await run(program, 'cycles', cycles)
  const { before, after, files } = result as typeof result & { before: Holdings; after: Holdings }
  const growth = after.residentMiB - before.residentMiB
  const heap = after.heapMiB - before.heapMiB
  return [
    finding('warmed up', show(before), '', true),
    finding(`${cycles} cycles later`, show(after), '', true),
    finding('growth', `${growth} MiB`, `<= ${GROWTH_MIB_MAX} MiB`, growth <= GROWTH_MIB_MAX),
    sameDescriptors(before, after),
    finding(
      'growth of the JavaScript heap',
      `${heap.toFixed(1)} MiB`,
      `<= ${HEAP_MIB_MAX} MiB`,
      heap <= HEAP_MIB_MAX,
    ),
    sameHandles(before, after),
    sameThreads(before, after),
    finding('files in the directory', String(files), '<= 40', (files ?? 0) <= 40),
  ]
}

export async function measureFill(program: URL, megabytes: number): Promise<Finding[]> {
  const { result } = await run(program, 'fill', megabytes)
  const { before, peakMiB = Number.NaN } = result as typeof result & { before: Holdings }
  const most = FILL_BUDGET_MIB + BESIDE_BUDGET_MIB_MAX
  const over = peakMiB - before.residentMiB
  return [
    finding('before', show(before), '', true),
    finding('peak, over that', `${over} MiB`, `<= ${FILL_BUDGET_MIB} + 64 MiB`, over <= most),
  ]
}

export async function measureIdleExit(program: URL): Promise<Finding[]> {
  const { exitMs } = await run(program, 'idle', 1)
  const bound = `<= ${IDLE_EXIT_MS_MAX} ms`
  return [
    finding(
      'exit with an open database',
      `${Math.round(exitMs)} ms`,
      bound,
      exitMs <= IDLE_EXIT_MS_MAX,
    ),
  ]
}

function finding(what: string, measured: string, bound: string, holds: boolean): Finding {
  return { what, measured, bound, holds }
}

function sameDescriptors(before: Holdings, after: Holdings): Finding {
  const [from, to] = [before.descriptors, after.descriptors]
  return finding('descriptors', `${from} → ${to}`, 'no more', to <= from)
}

function sameThreads(before: Holdings, after: Holdings): Finding {
  const measured = `${before.threads} → ${after.threads}`
  return finding('threads', measured, 'no more', after.threads <= before.threads)
}

function sameHandles(before: Holdings, after: Holdings): Finding {
  return finding(
    'handles',
    `${before.handles} → ${after.handles}`,
    'no more',
    after.handles <= before.handles,
  )
}
