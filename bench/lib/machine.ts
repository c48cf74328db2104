// What a figure depends on: machine, Node, file system; and sizes on disk.
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { join } from 'node:path'

/** Bytes a directory takes: the larger of allocated and apparent size, file by file. */
export function allocatedBytes(directory: string): number {
  if (!existsSync(directory)) return 0
  let bytes = 0
  for (const name of readdirSync(directory)) {
    const entry = statSync(join(directory, name))
    bytes += entry.isFile() ? Math.max(entry.blocks * 512, entry.size) : 0
  }
  return bytes
}

function fileSystemOf(directory: string): string {
  if (!existsSync('/proc/mounts')) return 'unknown file system'
  const path = realpathSync(directory)
  let best = { mount: '', kind: 'unknown' }
  for (const line of readFileSync('/proc/mounts', 'utf8').split('\n')) {
    const [, mount = '', kind = ''] = line.split(' ')
    const inside = mount === '/' || path === mount || path.startsWith(`${mount}/`)
    if (inside && mount.length >= best.mount.length) best = { mount, kind }
  }
  return best.kind
}

export function describeMachine(directory: string): string {
  const model = cpus()[0]?.model ?? 'unknown processor'
  const memory = Math.round(totalmem() / 2 ** 30)
  return [
    `${availableParallelism()} × ${model}, ${memory} GiB, ${process.platform} ${process.arch}`,
    `Node ${process.version}, ${fileSystemOf(directory)}, load ${loadavg()[0]!.toFixed(1)} at the start`,
  ].join('\n')
}
