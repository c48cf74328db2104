import { conformance } from './conformance.ts'

conformance('all work on the calling thread', {
  memtableSize: 64 * 1024,
  memoryBudget: 8 * 1024 * 1024,
  workers: 0,
})
