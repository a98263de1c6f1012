/** A dialog: takes the focus, gives it back, closes by Escape or a click beside it unless it must be answered. */
import { Modal } from '@mantine/core';
import { useEffect, useRef, type ReactNode } from 'react';
import classes from './dialog.module.css';

interface Props {
  readonly title: string;
  /** Shown as a heading; left out where something else in it says so. */
  readonly hideTitle?: boolean;
  /** Left out: it must be answered. */
  readonly close?: () => void;
  readonly size?: 'md' | 'lg';
  /** Near the top of the window, as for something that grows while one types. */
  readonly high?: boolean;
  readonly children: ReactNode;
}

export function Dialog({ title, hideTitle = false, close, size = 'md', high = false, children }: Props) {
  useFocusBack();
  return (
    <Modal.Root
      opened
      onClose={close ?? (() => undefined)}
      closeOnEscape={close !== undefined}
      closeOnClickOutside={close !== undefined}
      lockScroll={false}
      centered={!high}
      size={size}
      {...(high && { yOffset: '12vh' })}
      transitionProps={{ duration: 0 }}
    >
      <Modal.Overlay backgroundOpacity={0.4} />
      {/* A class given here would go to the whole window as well: see .mantine-Modal-content. */}
      <Modal.Content aria-label={title}>
        <Modal.Body className={classes.body}>
          {!hideTitle && <h2 className={classes.title}>{title}</h2>}
          {children}
        </Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}

/**
 * Mantine's dialog gives the focus back when it is told to close; ours are there or not there, so it never is. What was
 * chosen in a menu is gone by then: the button that opens the menu has the focus instead.
 */
function useFocusBack(): void {
  const before = useRef<Element>(undefined);
  before.current ??= opener() ?? document.body;
  useEffect(
    () => () => {
      const { current } = before;
      if (current instanceof HTMLElement && current.isConnected) current.focus({ preventScroll: true });
    },
    [],
  );
}

function opener(): Element | null {
  const focused = document.activeElement;
  const menu = focused?.closest('[role="menu"]')?.getAttribute('aria-labelledby');
  return menu ? document.getElementById(menu) : focused;
}
