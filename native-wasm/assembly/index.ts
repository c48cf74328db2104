// The exports of the kernel module: one line per source file. src/kernel/kernels.ts is their
// contract.
export { hash64, checksum, checksumMatches } from './hash'
export { memtableInit, memtableLink } from './memtable'
export { memtableGet, memtablePage } from './memtable-read'
export { filterBuild, filterProbe } from './filter'
export { fenceSearch, fenceValidate } from './fence'
export { lz4Compress, lz4Decompress } from './lz4'
export { blockGet, blockSeek, blockRestarts, blockDecode } from './blocks/block'
export { blockGuide } from './blocks/guide'
export { entriesAscend } from './keys'
export { moveBytes } from './bytes'
export { mergeScan, mergeCompact } from './merge'
export {
  builderStart,
  builderAppend,
  builderStopped,
  builderCloseBlock,
  builderSealBlock,
  builderFinishBlock,
  builderDrained,
  builderAlone,
} from './builder'
