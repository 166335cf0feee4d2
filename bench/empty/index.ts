// One import and one output, as every program has.
import * as pulumi from "@pulumi/pulumi";

export const stack = pulumi.getStack();
