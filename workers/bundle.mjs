// Makes dist/workers/ of the thread entries: a thread that loads one file starts in a little more than half the
// processor time of one that loads a hundred. Part of `npm run build`.
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

await build({
  input: [here('background.ts'), here('sync.ts')],
  platform: 'node',
  output: { dir: here('../dist/workers'), chunkFileNames: '[name].js', comments: false },
})
