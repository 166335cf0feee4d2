// Values for a hook, which runs outside of any apply.
import type * as pulumi from "@pulumi/pulumi";

/** Hooks of a resource run after everything it depends on, so the value is there by then. */
export function settled<T>(output: pulumi.Output<T>): () => Promise<pulumi.Unwrap<T>> {
	const value = new Promise<pulumi.Unwrap<T>>((resolve) => {
		output.apply((ready) => resolve(ready as pulumi.Unwrap<T>));
	});
	return () => value;
}
