// A fake worker whose file ends loading only while another thread loads it, too.
import { BroadcastChannel } from 'node:worker_threads'

const others = new BroadcastChannel('paired-worker')
await new Promise((paired) => {
  others.onmessage = ({ data }) => {
    if (data === 'who is there?') others.postMessage('me')
    paired()
  }
  others.postMessage('who is there?')
})
others.close()

export { runTask } from './fake-worker.mjs'
