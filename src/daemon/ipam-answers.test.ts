import t from 'tap'
import { Dataplane } from '../dataplane/index.ts'
import { FakeKernel } from '../dataplane/fake-kernel.ts'
import { defaultMark } from '../dataplane/routes/route.ts'
import { MemoryDatastore, MemoryNodeStore } from '../datastore/memory.ts'
import { pool } from '../ipam/testing.ts'
import { IpamCheck } from './ipam-check.ts'
import { ipamAnswers } from './ipam-answers.ts'
import { podsRoom } from './testing-pods.ts'

t.test(
  'what keeps a node with a new store from the datastore: ipam show leads to status, and status not to itself',
  async t => {
    const kernel = new FakeKernel()
    const plane = await Dataplane.open({ kernel })
    t.teardown(() => plane.close())
    const datastore = new MemoryDatastore()
    const pools = [pool('v4', '10.42.0.0/24')]
    const { ipam, pods } = podsRoom({ plane, datastore, nodeStore: new MemoryNodeStore(), pools })
    datastore.fail('away')
    await ipam.load({ inUse: [{ address: '10.42.0.1' }] })
    const { problems } = ipam.show()
    t.match(problems, [/its own store is new or older.* stay announced\.$/])
    const ipamCheck = new IpamCheck({ ipam, pods, kernel, mark: defaultMark })
    const answers = ipamAnswers({ node: 'n1', ipam, pods, ipamCheck, keepBlocks: () => 0 })
    const shown = await answers['/v1/ipam']({})
    t.match(shown.problems, [...problems, /why not: margayctl status\.$/])
  },
)
