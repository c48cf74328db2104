// Thread entry: runs jobs on real files. Started by piscina in src/pool/thread-group.ts, which calls the one
// export for each task. Gives way before anything else: loading its modules takes as long as a flush, and begins just
// when the application began to write.
import type { WorkerReply, WorkerTask } from '../src/pool/protocol.ts'
import { lowerOwnPriority } from '../src/pool/threads/lower-priority.ts'

lowerOwnPriority()

/** Piscina waits for it. Without an await at the top, so that the file can be bundled as CommonJS, too. */
export const runTask: Promise<(task: WorkerTask) => WorkerReply> = import(
  '../src/pool/threads/background-tasks.ts'
).then((tasks) => tasks.runTask)
