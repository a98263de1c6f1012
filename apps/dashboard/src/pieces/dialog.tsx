/** A dialog: takes the focus, gives it back, closes by Escape or a click beside it unless it must be answered. */
import { Modal } from '@mantine/core';
import type { ReactNode } from 'react';
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
      <Modal.Content aria-label={title}>
        <Modal.Body className={classes.body}>
          {!hideTitle && <h2 className={classes.title}>{title}</h2>}
          {children}
        </Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}
