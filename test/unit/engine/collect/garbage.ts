// Databases whose values lie in segments, for the tests of collections.
import type { FileSystem } from '../../../../src/io/file-system.ts'

export const SEPARATE = {
  valueThreshold: 64,
  segmentSize: 65_536,
  tableSize: 65_536,
  compression: 'none',
}
/** Nothing happens by itself. */
export const QUIET = {
  valueThreshold: 64,
  segmentSize: 65_536,
  tableSize: 65_536,
  compression: 'none',
  deferCompaction: true,
  l0StallTrigger: 'off',
  idleAfter: 1e9,
}

export function key(i: number): string {
  return `key ${String(i).padStart(4, '0')}`
}

export function range(from: number, to: number, step = 1): number[] {
  return Array.from({ length: Math.ceil((to - from) / step) }, (_, i) => from + i * step)
}

export function segmentsOf(fs: FileSystem): string[] {
  return fs.listSync('/db').filter((name) => name.endsWith('.vlog'))
}

/** Flips a byte in the last value of the first segment, whose name is returned. */
export function damageSegment(fs: FileSystem): string {
  const [name] = segmentsOf(fs)
  const path = `/db/${name}`
  const file = fs.openSync(path, 'update')
  const at = fs.statSync(path)!.size - 128 - 500
  const byte = Buffer.alloc(1)
  file.readSync(byte, at)
  byte[0] = byte[0]! ^ 0xff
  file.writeSync(byte, at)
  file.closeSync()
  return name!
}
