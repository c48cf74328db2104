// The peers' modules have a package.json of their own (bench/peers/), installed the first time they are asked for.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Engine } from '../engines/engine.ts'

/** Outside a checkout there is nothing to install with: each peer then tells what it misses when it is loaded. */
export async function installMissingPeers(
  engines: readonly Engine[],
  messages: NodeJS.WritableStream,
): Promise<void> {
  const root = dirname(createRequire(import.meta.url).resolve('sett/package.json'))
  const folder = join(root, 'bench', 'peers')
  const installer = join(folder, 'install.mjs')
  const wanted = engines.some((engine) => engine.kind === 'peer' && 'load' in engine)
  if (!wanted || !existsSync(installer) || existsSync(join(folder, 'node_modules'))) return
  messages.write('the peers are not installed yet: running bench/peers/install.mjs once\n')
  const child = spawn(process.execPath, [installer], { stdio: ['ignore', 2, 'inherit'] })
  const [code] = await once(child, 'exit')
  if (code !== 0) {
    messages.write(`bench/peers/install.mjs ended with ${code}; going on with what loads\n`)
  }
}
