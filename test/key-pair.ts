// SSH keys of a test's own.
import ssh2 from "ssh2";

/** ssh2 1.17.0 drops a zero in front of the public key, so that three of a thousand can't be read, by ssh-keygen neither: such a one is made anew. */
export function keyPair(): { public: string; private: string } {
	for (;;) {
		const pair = ssh2.utils.generateKeyPairSync("ed25519");
		if (!(ssh2.utils.parseKey(pair.private) instanceof Error)) return pair;
	}
}
