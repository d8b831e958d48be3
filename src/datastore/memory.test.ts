import t from 'tap'
import { datastoreSuite } from './contract-suite.ts'
import { MemoryDatastore } from './memory.ts'

datastoreSuite(t, async () => {
  const store = new MemoryDatastore()
  return { open: () => store, remove: async () => {} }
})
