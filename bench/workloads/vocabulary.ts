// The workloads by name: what each does, what database it begins with, how its cell ends. The code of each is in
// workloads/ here and in the Go driver; this table is what the plan, the help text and the tables are made from.

import type { Group, WorkloadInfo } from './workload-info.ts'
import { YCSB_VOCABULARY } from './ycsb/vocabulary.ts'

const ALL = (keys: number): number => keys

function info(
  group: Group,
  name: string,
  title: string,
  rest: Partial<Omit<WorkloadInfo, 'group' | 'name' | 'title'>> = {},
): WorkloadInfo {
  const defaults = {
    begins: 'settled',
    spoils: false,
    closes: false,
    operations: undefined,
    seconds: 3,
  } as const
  return { ...defaults, group, name, title, ...rest }
}

const FILL = { begins: 'empty', closes: true, operations: ALL, seconds: undefined } as const
const REWRITE = { begins: 'filled', closes: true, operations: ALL, seconds: 8 } as const
const PUTS = { begins: 'empty', spoils: true, closes: true, operations: ALL, seconds: 5 } as const

export const VOCABULARY: readonly WorkloadInfo[] = [
  info('write', 'fillseq', 'fillseq, batches of 1,000', FILL),
  info('write', 'fillrandom', 'fillrandom, batches of 1,000', FILL),
  info('write', 'overwrite', 'overwrite random, batches of 1,000', REWRITE),
  info('write', 'put1', 'put, one awaited at a time', PUTS),
  info('write', 'put256', 'put, 256 in flight', PUTS),
  info('write', 'deleterandom', 'deleterandom, batches of 1,000', { ...REWRITE, spoils: true }),
  info('write', 'deleterange', 'deleterange, 100 ranges of 0.1 % (ranges/s)', {
    ...REWRITE,
    spoils: true,
    operations: () => 100,
  }),
  info('sync', 'fillsync1', 'durable put, one at a time', PUTS),
  info('sync', 'fillsync64', 'durable put, 64 committers', PUTS),
  info('read', 'readrandom-sync', 'getSync, random'),
  info('read', 'readrandom-await1', 'await get, one at a time'),
  info('read', 'readrandom-await64', 'await get, 64 in flight'),
  info('read', 'getMany100', 'getMany(100), one at a time (keys/s)'),
  info('read', 'readmissing', 'missing keys, sync'),
  info('read', 'readmissing-await64', 'missing keys, await get, 64 in flight'),
  info('read', 'readwhilewriting', 'await get, one at a time, beside 20,000 writes/s', {
    spoils: true,
  }),
  info('scan', 'readseq', 'full scan, keys and values'),
  info('scan', 'readseq-keys', 'full scan, keys alone'),
  info('scan', 'readreverse', 'full scan backwards'),
  info('scan', 'seekrandom10', 'seek + 10'),
  info('space', 'compact', 'compact the whole database (keys/s)', {
    begins: 'filled',
    operations: ALL,
    seconds: undefined,
  }),
  info('space', 'reopen-close', 'open + first get after close (1/s)', {
    begins: 'filled',
    operations: () => 1,
    seconds: undefined,
  }),
  info('space', 'reopen-kill', 'open + first get after SIGKILL (1/s)', {
    begins: 'filled',
    operations: () => 1,
    seconds: undefined,
  }),
]

export function workload(name: string): WorkloadInfo {
  const found = [...VOCABULARY, ...YCSB_VOCABULARY].find((one) => one.name === name)
  if (found === undefined) {
    throw new Error(
      `no workload is called ${name}; known: ${VOCABULARY.map((one) => one.name).join(', ')}`,
    )
  }
  return found
}
