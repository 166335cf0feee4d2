// A password that a host does not take is tried there once in a run, however many scripts are to run: hosts lock an account after a few tries.

export class OneTry {
	#isTaken = false;
	#trying: Promise<unknown> | undefined;
	#refused: Error | undefined;
	readonly #isRefusal: (error: unknown) => boolean;

	constructor(isRefusal: (error: unknown) => boolean) {
		this.#isRefusal = isRefusal;
	}

	/** The first waits for nobody, and lets the others go as soon as it calls `taken`. Where it was refused, they fail with its error and are not run. */
	async run<T>(act: (taken: () => void) => Promise<T>): Promise<T> {
		while (this.#trying && !this.#isTaken) await this.#trying;
		if (this.#refused) throw this.#refused;
		if (this.#isTaken) return act(() => {});
		const { promise, resolve } = Promise.withResolvers<void>();
		this.#trying = promise;
		try {
			return await act(() => {
				this.#isTaken = true;
				resolve();
			});
		} catch (error) {
			if (this.#isRefusal(error)) this.#refused = error as Error;
			throw error;
		} finally {
			this.#trying = undefined;
			resolve();
		}
	}
}
