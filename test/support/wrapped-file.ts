// A file of which a test changes some calls.
import type { OpenFile } from '../../src/io/file-system.ts'

/** Every call goes to `file`, but for those of `changed`. */
export function wrappedFile(file: OpenFile, changed: Partial<OpenFile>): OpenFile {
  return {
    path: file.path,
    descriptor: file.descriptor,
    readSync: (target, position) => file.readSync(target, position),
    read: (target, position) => file.read(target, position),
    writeSync: (...given) => file.writeSync(...given),
    write: (source, position) => file.write(source, position),
    truncateSync: (length) => file.truncateSync(length),
    sizeSync: () => file.sizeSync(),
    dataSyncSync: () => file.dataSyncSync(),
    dataSync: () => file.dataSync(),
    closeSync: () => file.closeSync(),
    ...changed,
  }
}
