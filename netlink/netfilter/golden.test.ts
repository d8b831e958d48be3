// The bytes of a transaction, written out by hand after linux/netfilter/nf_tables.h and nfnetlink.h, for a little-endian machine.
// netfilter.test.ts lets the kernel judge; this says what changed when it no longer understands, and holds for kernels not at hand.

import t from 'tap'
import { MessageWriter } from '../core/writer.ts'
import { intervals } from './sets.ts'
import { removeSteps, replaceSteps, writeTransaction } from './transaction.ts'
import type { NetfilterTable } from './types.ts'

const table: NetfilterTable = {
  family: 'inet',
  name: 'm',
  comment: 'ours',
  sets: [{ name: 's', key: 'ipv4', interval: true, elements: intervals(['10.42.0.0/16']) }],
  chains: [
    {
      name: 'c',
      hook: { at: 'postrouting', type: 'nat', priority: -5, policy: 'accept' },
      rules: [
        {
          comment: 'x',
          expressions: [
            { do: 'payload', to: 1, base: 'network', offset: 12, length: 4 },
            { do: 'lookup', from: 1, set: 's', not: true },
            { do: 'masquerade' },
            { do: 'verdict', verdict: 'goto', chain: 'c' },
          ],
        },
      ],
    },
  ],
}

const cases = [
  {
    name: 'a table takes the place of another',
    steps: replaceSteps(table),
    bytes: `
      14000000 1000 0100 07000000 00000000   nlmsghdr: NFNL_MSG_BATCH_BEGIN, REQUEST
      00 00 000a                             nfgenmsg: resource NFNL_SUBSYS_NFTABLES
      1c000000 000a 0104 08000000 00000000   NFT_MSG_NEWTABLE, REQUEST|CREATE: so that there is one
      01 00 0000                             NFPROTO_INET
      0600 0100 6d000000                     NFTA_TABLE_NAME
      1c000000 020a 0100 09000000 00000000   NFT_MSG_DELTABLE
      01 00 0000
      0600 0100 6d000000
      28000000 000a 0104 0a000000 00000000   NFT_MSG_NEWTABLE
      01 00 0000
      0600 0100 6d000000
      0b00 0600 00 05 6f75727300 00          NFTA_TABLE_USERDATA: comment, with its zero
      44000000 090a 0104 0b000000 00000000   NFT_MSG_NEWSET
      01 00 0000
      0600 0100 6d000000                     NFTA_SET_TABLE
      0600 0200 73000000                     NFTA_SET_NAME
      0800 0300 00000004                     NFTA_SET_FLAGS: NFT_SET_INTERVAL
      0800 0400 00000007                     NFTA_SET_KEY_TYPE: ipv4_addr of nft
      0800 0500 00000004                     NFTA_SET_KEY_LEN
      0800 0a00 00000001                     NFTA_SET_ID
      50000000 0c0a 0104 0c000000 00000000   NFT_MSG_NEWSETELEM
      01 00 0000
      0600 0100 6d000000                     NFTA_SET_ELEM_LIST_TABLE
      0600 0200 73000000                     NFTA_SET_ELEM_LIST_SET
      2c00 0380                              NFTA_SET_ELEM_LIST_ELEMENTS
        1000 0180 0c00 0180 0800 0100 0a2a0000
        1800 0180 0c00 0180 0800 0100 0a2b0000 0800 0300 00000001
                                             NFTA_LIST_ELEM: NFTA_SET_ELEM_KEY, NFTA_DATA_VALUE; NFT_SET_ELEM_INTERVAL_END
      48000000 030a 0104 0d000000 00000000   NFT_MSG_NEWCHAIN
      01 00 0000
      0600 0100 6d000000                     NFTA_CHAIN_TABLE
      0600 0300 63000000                     NFTA_CHAIN_NAME
      1400 0480                              NFTA_CHAIN_HOOK
        0800 0100 00000004                   NFTA_HOOK_HOOKNUM: NF_INET_POST_ROUTING
        0800 0200 fffffffb                   NFTA_HOOK_PRIORITY
      0800 0500 00000001                     NFTA_CHAIN_POLICY: NF_ACCEPT
      0800 0700 6e617400                     NFTA_CHAIN_TYPE
      dc000000 060a 050c 0e000000 00000000   NFT_MSG_NEWRULE, REQUEST|ACK|CREATE|APPEND: the last step is answered
      01 00 0000
      0600 0100 6d000000                     NFTA_RULE_TABLE
      0600 0200 63000000                     NFTA_RULE_CHAIN
      b000 0480                              NFTA_RULE_EXPRESSIONS
        3400 0180 0c00 0100 7061796c6f616400 NFTA_LIST_ELEM: NFTA_EXPR_NAME
          2400 0280                          NFTA_EXPR_DATA
            0800 0100 00000001               NFTA_PAYLOAD_DREG
            0800 0200 00000001               NFTA_PAYLOAD_BASE: network header
            0800 0300 0000000c
            0800 0400 00000004
        2c00 0180 0b00 0100 6c6f6f6b757000 00
          1c00 0280
            0600 0100 73000000               NFTA_LOOKUP_SET
            0800 0200 00000001               NFTA_LOOKUP_SREG
            0800 0500 00000001               NFTA_LOOKUP_FLAGS: NFT_LOOKUP_F_INV
        1400 0180 0900 0100 6d61737100 000000
          0400 0280
        3800 0180 0e00 0100 696d6d65646961746500 0000
          2400 0280
            0800 0100 00000000               NFTA_IMMEDIATE_DREG: NFT_REG_VERDICT
            1800 0280 1400 0280              NFTA_IMMEDIATE_DATA, NFTA_DATA_VERDICT
              0800 0100 fffffffc             NFTA_VERDICT_CODE: NFT_GOTO
              0600 0200 63000000             NFTA_VERDICT_CHAIN
      0800 0700 00 02 7800                   NFTA_RULE_USERDATA
      14000000 1100 0100 0e000000 00000000   NFNL_MSG_BATCH_END, with the number of the last step
      00 00 000a`,
  },
  {
    name: 'a table goes',
    steps: removeSteps({ family: 'ip6', name: 'm' }),
    bytes: `
      14000000 1000 0100 07000000 00000000
      00 00 000a
      1c000000 020a 0500 08000000 00000000   NFT_MSG_DELTABLE, REQUEST|ACK
      0a 00 0000                             NFPROTO_IPV6
      0600 0100 6d000000
      14000000 1100 0100 08000000 00000000
      00 00 000a`,
  },
]

for (const { name, steps, bytes } of cases)
  t.test(name, async t => {
    const writer = new MessageWriter(16)
    writeTransaction(writer, steps, 7)
    const hex = bytes.replaceAll(/^((?: *[0-9a-f]{2,}\b)*).*$/gm, '$1').replaceAll(/\s/g, '')
    t.equal(Buffer.from(writer.bytes).toString('hex'), hex)
  })
