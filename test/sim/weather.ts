// What may befall the disk: each kind of weather is a fault, or several, that lasts for some operations.
import type { FaultFileSystem } from '../faults/fault-file-system.ts'
import type { Prng } from '../model/prng.ts'
import type { World } from './world.ts'

export interface Weather {
  readonly name: string
  /** Calls fail; otherwise they are only slow, and nothing at all may fail. */
  readonly harmful: boolean
  begin(machine: FaultFileSystem, world: World, random: Prng): void
}

/** Shorter than the head of a frame: a write that was refused is never on disk whole. */
const SHORT_MOST = 40
/** Nothing of it is ever full. */
export const VOLUME_BYTES: number = 2 ** 40
/** How long a disk hangs that hangs. */
const HANG_MS = 30_000

/** Which of the calls to come is struck. */
function soon(random: Prng): { readonly nth: number; readonly forever: boolean } {
  return { nth: 1 + random.below(6), forever: random.chance(0.3) }
}

export const WEATHERS: readonly Weather[] = [
  {
    name: 'disk full',
    harmful: true,
    begin(machine, _, random) {
      const shortBytes = random.below(SHORT_MOST)
      machine.inject({ on: ['write', 'create'], errno: 'ENOSPC', shortBytes, ...soon(random) })
    },
  },
  {
    name: 'the volume fills up',
    harmful: true,
    begin(machine, _, random) {
      const { freeBytes, totalBytes } = machine.spaceSync('/')
      machine.setCapacity(totalBytes - freeBytes + random.below(300_000))
    },
  },
  {
    name: 'log cannot be written',
    harmful: true,
    begin(machine, _, random) {
      const shortBytes = random.below(SHORT_MOST)
      machine.inject({ on: 'write', path: /\.wal$/, errno: 'EIO', shortBytes, ...soon(random) })
      if (random.chance(0.3)) machine.inject({ on: 'truncate', errno: 'EIO', forever: true })
    },
  },
  {
    name: 'log cannot be synced',
    harmful: true,
    begin(machine, _, random) {
      machine.inject({ on: 'sync', path: /\.wal$/, errno: 'EIO', ...soon(random) })
    },
  },
  {
    name: 'tables cannot be written',
    harmful: true,
    begin(machine, _, random) {
      const on = (['write', 'create', 'sync'] as const)[random.below(3)]!
      machine.inject({ on, path: /\.sst$/, errno: 'EIO', ...soon(random) })
    },
  },
  {
    name: 'manifest cannot be written',
    harmful: true,
    begin(machine, _, random) {
      const on = random.chance(0.5) ? 'write' : 'sync'
      const errno = on === 'write' && random.chance(0.5) ? 'ENOSPC' : 'EIO'
      machine.inject({ on, path: /MANIFEST/, errno, ...soon(random) })
    },
  },
  {
    name: 'tables cannot be read',
    harmful: true,
    begin(machine, _, random) {
      machine.inject({ on: 'read', path: /\.sst$/, errno: 'EIO', ...soon(random) })
    },
  },
  {
    name: 'too many open files',
    harmful: true,
    begin(machine, _, random) {
      machine.inject({ on: ['open', 'create'], errno: 'EMFILE', ...soon(random) })
    },
  },
  {
    name: 'directory cannot be synced, files cannot be removed',
    harmful: true,
    begin(machine, _, random) {
      machine.inject({ on: 'remove', errno: 'EIO', ...soon(random) })
      machine.inject({ on: 'syncDirectory', errno: 'EIO', ...soon(random) })
    },
  },
  {
    name: 'slow disk',
    harmful: false,
    begin(_, world, random) {
      world.slowness = 10 ** (1 + random.below(4))
    },
  },
  {
    name: 'hanging calls',
    harmful: false,
    begin(machine, _, random) {
      const on = (['sync', 'write', 'read', 'remove', 'syncDirectory'] as const)[random.below(5)]!
      machine.inject({ on, delayMs: HANG_MS, nth: 1 + random.below(6) })
    },
  },
]
