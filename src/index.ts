// Everything the package exports.

export type { CollectOptions } from './api/collect-garbage.ts'
export {
  type BatchOptions,
  Database,
  type DatabaseEntry,
  type DelOptions,
  type GetEntryOptions,
  type PutOptions,
} from './api/database.ts'
export type { DatabaseOptions } from './api/database-options.ts'
export { destroy } from './api/destroy.ts'
export type { CloseOptions } from './api/level/close-within.ts'
export type { DatabaseEvents } from './api/level/typed-events.ts'
export { open } from './api/open.ts'
export { type RepairOptions, repair } from './api/repair.ts'
export { Snapshot } from './api/snapshot.ts'
export type { GetStreamOptions, ValueStream } from './api/streams/get-stream.ts'
export type { PutStreamOptions, ValueChunk, ValueStreamSource } from './api/streams/put-stream.ts'
export type {
  BatchOperation,
  ChainedBatch,
  CommitOptions,
  ExpiryOptions,
} from './api/write-options.ts'
export { CorruptionError, SettError, type SettErrorCode } from './base/errors.ts'
export type { Logger } from './base/logger.ts'
export type { Compression, DurabilityOption, Options, PresetName } from './base/option-table.ts'
export { PRESETS as presets } from './base/presets.ts'
export {
  createResources,
  type Resources,
  type ResourcesOptions,
  type ResourcesStats,
} from './base/shared-resources.ts'
export type { DiskNotice } from './engine/disk/disk-watch.ts'
export type { StallNotice } from './engine/pressure/stall-watch.ts'
export type { Loss, RepairReport } from './engine/repair/report.ts'
export type {
  CollectionNotice,
  CompactionNotice,
  CompactionPart,
  EngineNotice,
  EngineStats as DatabaseStats,
  FlushNotice,
  HealthReport,
  HealthWarning,
  LevelStats,
  MaintenanceNotice,
  SegmentStats,
  WarningCode,
  WarningNotice,
  WorkDone,
  WorkEnd,
  WorkFailed,
} from './engine/types.ts'
export type { CollectedSegment, CollectReport, NotFreedReason } from './engine/value-log/report.ts'
export type {
  VerifiedFiles,
  VerifyOptions,
  VerifyProblem,
  VerifyProgress,
  VerifyReport,
} from './engine/verify/report.ts'
export type { WorkerStats } from './pool/executor.ts'
