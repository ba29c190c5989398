package openai

import (
	"context"
	"fmt"
)

// Fingerprint returns the system_fingerprint of a model's answers, once it is known:
// it takes as long as reading the model's file. A model that cannot be used has none.
func (h *Handler) Fingerprint(ctx context.Context, name string) (string, error) {
	m := h.models[name]
	if m == nil {
		return "", fmt.Errorf("there is no model %q", name)
	}
	select {
	case <-m.proven:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if broken := m.broken.Load(); broken != nil {
		return "", *broken
	}
	return m.fingerprint, nil
}
