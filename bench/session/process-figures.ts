// What the whole process used since a moment: processor time of all its threads, bytes through its system calls.
import { existsSync, readFileSync } from 'node:fs'

const IO_FILE = '/proc/self/io'

interface UsageFigures {
  readonly cpuMs: number
  /** `writtenBytes` and `readBytes`; empty where the system does not tell. */
  readonly figures: { readonly [name: string]: number }
}

interface Transfers {
  readonly writtenBytes: number
  readonly readBytes: number
}

/** Written and read by system calls, so neither what is mapped nor what the page cache saves. */
function transfers(): Transfers | undefined {
  if (!existsSync(IO_FILE)) return undefined
  const text = readFileSync(IO_FILE, 'utf8')
  const field = (name: string): number =>
    Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(text)?.[1])
  return { writtenBytes: field('wchar'), readBytes: field('rchar') }
}

export class Usage {
  readonly #cpu = process.cpuUsage()
  readonly #transfers = transfers()

  static now(): Usage {
    return new Usage()
  }

  since(): UsageFigures {
    const { user, system } = process.cpuUsage(this.#cpu)
    const [before, after] = [this.#transfers, transfers()]
    const figures: { [name: string]: number } = {}
    if (before !== undefined && after !== undefined) {
      figures['writtenBytes'] = after.writtenBytes - before.writtenBytes
      figures['readBytes'] = after.readBytes - before.readBytes
    }
    return { cpuMs: (user + system) / 1e3, figures }
  }
}
