import { expect, test } from 'vitest'
import { workerUrl } from '../../../src/pool/worker-url.ts'

test('from sources the built file is named, from the build its neighbour', () => {
  expect(workerUrl('background', 'file:///a/src/pool/worker-url.ts').href).toBe(
    'file:///a/dist/workers/background.js',
  )
  expect(workerUrl('sync', 'file:///a/dist/src/pool/worker-url.js').href).toBe(
    'file:///a/dist/workers/sync.js',
  )
})
