// Reading a data block of about 4 KiB.
import { RESTART_INTERVAL } from '../../../src/base/limits.ts'
import type { Kernels } from '../../../src/kernel/kernels.ts'
import { DESC_SIZE } from '../../../src/kernel/layout.ts'
import { guideBytes } from '../../../test/twins/guide.ts'
import { encodeBlock } from '../../../test/unit/kernel/block-encode.ts'
import type { Areas } from '../../../test/unit/kernel/block-support.ts'
import { type Area, kernelCase, type Side } from '../case.ts'
import { FIRST_VERSION, KEY_BYTES, sortedEntries } from '../input.ts'

/** About 4 KiB. */
const ENTRIES = 32
const NEWEST = 2 ** 40
const KEYS_CAPACITY = ENTRIES * KEY_BYTES
/** For every entry. */
const GUIDE_ROOM = 28 + 6 * ENTRIES
const WORK = { operations: ENTRIES, memoryBytes: 2 ** 16 }

interface Placed {
  readonly block: number
  readonly length: number
  /** ENTRIES keys, one behind the other. */
  readonly keys: number
}

/** `shift`: added to the last byte of each key looked up, so that it is not there. */
function place(areas: Areas, shift: number): Placed {
  const entries = sortedEntries(ENTRIES)
  const { bytes } = encodeBlock(entries, FIRST_VERSION, RESTART_INTERVAL)
  const block = areas.take(bytes.length)
  bytes.copy(areas.memory.bytes, block)
  const wanted = Buffer.concat(entries.map(({ key }) => key))
  for (let at = KEY_BYTES - 1; at < wanted.length; at += KEY_BYTES) wanted[at]! += shift
  return { block, length: bytes.length, keys: areas.bytes(wanted) }
}

function get(kernels: Kernels, areas: Areas, shift: number, guided = false): Side {
  const { block, length, keys } = place(areas, shift)
  const guide = guided ? areas.take(GUIDE_ROOM) : 0
  if (guided) kernels.blockGuide(block, length, guide, GUIDE_ROOM)
  const out = areas.take(DESC_SIZE * ENTRIES)
  const found = new Int8Array(ENTRIES)
  return {
    run() {
      for (let i = 0; i < ENTRIES; i++) {
        const key = keys + KEY_BYTES * i
        found[i] = kernels.blockGet(
          block,
          length,
          guide,
          FIRST_VERSION,
          key,
          KEY_BYTES,
          NEWEST,
          out + DESC_SIZE * i,
        )
      }
    },
    answer: () => ({
      found: found.slice(),
      descriptors: Buffer.from(areas.memory.slice(out, DESC_SIZE * ENTRIES)),
    }),
  }
}

function makeGuide(kernels: Kernels, areas: Areas): Side {
  const { block, length } = place(areas, 0)
  const guide = areas.take(GUIDE_ROOM)
  return {
    run() {
      kernels.blockGuide(block, length, guide, GUIDE_ROOM)
    },
    answer: () => Buffer.from(guideBytes(areas.memory, guide)),
  }
}

function seek(kernels: Kernels, areas: Areas): Side {
  const { block, length, keys } = place(areas, 1)
  const found = new Int32Array(ENTRIES)
  return {
    run() {
      for (let i = 0; i < ENTRIES; i++) {
        found[i] = kernels.blockSeek(block, length, keys + KEY_BYTES * i, KEY_BYTES)
      }
    },
    answer: () => found.slice(),
  }
}

function restarts(kernels: Kernels, areas: Areas): Side {
  const { block, length } = place(areas, 0)
  let found = 0
  return {
    run() {
      found = kernels.blockRestarts(block, length)
    },
    answer: () => found,
  }
}

function decode(kernels: Kernels, areas: Areas, reverse: 0 | 1): Side {
  const { block, length } = place(areas, 0)
  const end = kernels.blockRestarts(block, length)
  const out = areas.take(DESC_SIZE * ENTRIES)
  const keys = areas.take(KEYS_CAPACITY)
  const stopped = areas.take(4)
  let count = 0
  return {
    run() {
      count = kernels.blockDecode(
        block,
        length,
        FIRST_VERSION,
        0,
        end,
        reverse,
        out,
        ENTRIES,
        keys,
        KEYS_CAPACITY,
        stopped,
      )
    },
    answer: () => ({
      count,
      stopped: areas.memory.u32(stopped),
      descriptors: Buffer.from(areas.memory.slice(out, DESC_SIZE * ENTRIES)),
      keys: Buffer.from(areas.memory.slice(keys, KEYS_CAPACITY)),
    }),
  }
}

export const blockArea: Area = {
  name: 'block',
  cases: [
    kernelCase('get, key present', WORK, (kernels, areas) => get(kernels, areas, 0)),
    kernelCase('get, key absent', WORK, (kernels, areas) => get(kernels, areas, 1)),
    kernelCase('get with a guide', WORK, (kernels, areas) => get(kernels, areas, 0, true)),
    kernelCase('guide, per entry', WORK, makeGuide),
    kernelCase('seek', WORK, seek),
    kernelCase('restarts, checked', { ...WORK, operations: 1 }, restarts),
    kernelCase('decode forward, per entry', WORK, (kernels, areas) => decode(kernels, areas, 0)),
    kernelCase('decode backward, per entry', WORK, (kernels, areas) => decode(kernels, areas, 1)),
  ],
}
