package object

import (
	"context"
	"fmt"
	"strings"

	"varve/store"
)

// Settle makes durable what other writers have put, if any is registered: what the session puts next may speak
// of it.
func (s *Session) Settle(ctx context.Context) error {
	t, ok := s.db.store.(store.Settler)
	if !ok {
		return nil
	}
	own := "sess/" + s.ID.String() + "/"
	for o, err := range s.db.store.List(ctx, "sess/") {
		if err != nil {
			return fmt.Errorf("list sessions: %w", err)
		}
		if !strings.HasPrefix(o.Name, own) {
			return t.Settle(ctx)
		}
	}
	return nil
}
