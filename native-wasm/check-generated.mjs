// Fast check, without the compiler: was src/kernel/generated/kernels-wasm.ts made from these
// sources?
import { committedHash, sourceHash } from './sources.mjs'

if (committedHash() !== sourceHash()) {
  process.stderr.write(
    'src/kernel/generated/kernels-wasm.ts was not built from the kernel sources in ' +
      'native-wasm/assembly.\nRun: npm run build:wasm\nand commit the result.\n',
  )
  process.exitCode = 1
}
