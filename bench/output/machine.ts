// What a figure depends on: machine, Node, file system, source; and sizes on disk.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import type { MachineFacts } from './record.ts'

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

/** With the load of now as that at the start and at the end. */
export function machineFacts(directory: string): MachineFacts {
  const load = loadavg()[0]!
  return {
    processor: cpus()[0]?.model ?? 'unknown processor',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
    fileSystem: fileSystemOf(directory),
    load: [load, load],
  }
}

export function describeMachine(machine: MachineFacts): string {
  const { processor, cores, memoryGiB, platform, node, fileSystem, load } = machine
  return [
    `${cores} × ${processor}, ${memoryGiB} GiB, ${platform}`,
    `Node ${node}, ${fileSystem}, load ${load[0].toFixed(1)} at the start, ${load[1].toFixed(1)} at the end`,
  ].join('\n')
}

export interface SourceFacts {
  /** As in RunRecord. */
  readonly commit: string
  readonly settVersion: string
}

/** Of the package this file belongs to. */
export function sourceFacts(): SourceFacts {
  const manifest = createRequire(import.meta.url).resolve('sett/package.json')
  const found: unknown = JSON.parse(readFileSync(manifest, 'utf8'))
  const named = typeof found === 'object' && found !== null && 'version' in found
  const settVersion = named ? String(found.version) : 'unknown'
  return { commit: commitOf(dirname(manifest)), settVersion }
}

/** Empty where the package is not the root of a checkout: what lies around it says nothing about it. */
function commitOf(root: string): string {
  if (!existsSync(join(root, '.git'))) return ''
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', root, ...args], { encoding: 'utf8' }).trim()
  const changed = git('status', '--porcelain', '--untracked-files=no') !== ''
  return `${git('rev-parse', '--short', 'HEAD')}${changed ? '+' : ''}`
}
