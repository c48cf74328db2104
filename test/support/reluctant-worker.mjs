// A fake worker of which some threads do not start. Words that all share: how many threads there were, which of them
// fail (a bit each), and whether the others may go on.
import { getEnvironmentData } from 'node:worker_threads'

const words = getEnvironmentData('reluctant-worker')
const nth = Atomics.add(words, 0, 1)
if ((words[1] >> nth) & 1) throw new Error('not today')
Atomics.wait(words, 2, 0, 25_000)

export { runTask } from './fake-worker.mjs'
