import { conformance } from './conformance.ts'

conformance('background work on threads', { workers: 2 })
