import { expect, test } from 'vitest'
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts'
