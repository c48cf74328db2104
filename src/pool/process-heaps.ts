// The shared heaps of this process. Main thread. One pool, so that a closed database's heap serves the next.
import { HeapPool } from '../memory/heap-pool.ts'

export const processHeaps: HeapPool = new HeapPool()
