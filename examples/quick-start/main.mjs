import { open } from 'sett'

const db = await open('./quick-start-data')

await db.put('fruit/apple', 'red')
await db.batch([
  { type: 'put', key: 'fruit/banana', value: 'yellow' },
  { type: 'put', key: 'tree/oak', value: 'tall' },
])

console.log(await db.get('fruit/apple'))

for await (const [key, value] of db.iterator({ gte: 'fruit/', lt: 'fruit0' })) {
  console.log(key, value)
}

await db.close()
