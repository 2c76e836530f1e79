#!/usr/bin/env node
// Sign a cue and print its envelope: another language than framezero's, with nothing but Node 18's own library.
//
// Usage: send-cue.js SHOW KEY AT ACTION [CUE]     (PASSPHRASE in the environment, if the key has one)
// Example: CUE=$(cat /proc/sys/kernel/random/uuid)
//          node send-cue.js bring-your-vision show.key +30 '{"action": "black"}' "$CUE" | mosquitto_pub -V 5 -q 1 -r \
//              -D publish message-expiry-interval 691200 -h cue-a.example -t "framezero/v1/cue/$CUE" -s
//
// AT is a UTC time, such as 2025-06-02T12:00:00.000000Z, or +SECONDS from now.
const crypto = require('node:crypto');
const { readFileSync } = require('node:fs');

const [show, file, at, action, cue = crypto.randomUUID()] = process.argv.slice(2);
if (!action) {
    console.error('Usage: send-cue.js SHOW KEY AT ACTION [CUE]');
    process.exit(2);
}
const type = 'application/vnd.framezero.cue.v1+json';
const utc = (seconds) => new Date(Date.now() + seconds * 1000).toISOString();
const instant = at.startsWith('+') ? utc(Number(at)) : at;
const cues = { v: 1, cue, show, venues: ['*'], at: instant, issued: utc(0), expires: utc(8 * 86400), do: JSON.parse(action) };
const body = Buffer.from(JSON.stringify(cues));
const signed = Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${body.length} `), body]);
const key = crypto.createPrivateKey({ key: readFileSync(file), passphrase: process.env.PASSPHRASE });
const raw = crypto.createPublicKey(key).export({ type: 'spki', format: 'der' }).subarray(-32);
const keyid = crypto.createHash('sha256').update(raw).digest('hex').slice(0, 16);
const sig = crypto.sign(null, signed, key).toString('base64');
console.log(JSON.stringify({ payloadType: type, payload: body.toString('base64'), signatures: [{ keyid, sig }] }));
