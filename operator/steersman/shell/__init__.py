"""The imperative shell: configuration, the kopf handlers, the workqueue, the reconciler."""
